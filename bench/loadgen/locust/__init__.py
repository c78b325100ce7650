"""Load from more than one machine: Locust's master and workers, which carry out our load specs.

`cluster`, with `session`, is in our process and starts the others; `messages` is how all of them
talk. The rest runs in processes of Locust's only, because importing it replaces parts of the
standard library: `master`, and in each `worker` a `loop` for the load with a `client` for each
connection, which one of Locust's users (`user`) takes. `locustfile` is for Locust alone.

Between machines, `transport` lets nobody in without the `secret` of the run, `membership` nobody
after the last worker, and `border` nothing that it has not checked.
"""

"""What a server has to do: rules that tests, `calcbench check` and a course's scripts share."""

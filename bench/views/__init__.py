"""What people and programs see of a result: table, conclusions, charts, exports."""

"""What every demonstration shares: its record, its stage, its picture, and how it is shown."""

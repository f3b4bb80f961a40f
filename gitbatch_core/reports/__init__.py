"""What a run reports at its end: costs, efficiency, notifications."""

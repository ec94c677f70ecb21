"""What happens on the example servers: intrusions, scans, administrators at work. One module a way in."""

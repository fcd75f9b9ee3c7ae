"""The HTTP API and the page. Nothing below imports the web framework."""

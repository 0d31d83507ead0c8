"""Parts of the report, each a function from content to HTML."""

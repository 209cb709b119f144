"""What goes over HTTP. Requests refuse unknown fields, NUL characters and lone surrogates."""

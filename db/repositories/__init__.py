"""The SQL, one module a table or two. A repository takes a connection; the caller owns the transaction."""

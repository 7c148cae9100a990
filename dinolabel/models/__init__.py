"""`dinolabel models`: weights and heads, fetched, converted, compared, exported."""

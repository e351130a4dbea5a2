"""The service's database: SQLite by default, PostgreSQL in production; the same code for both."""

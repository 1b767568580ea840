-- PostgreSQL gathers its statistics by itself; SQLite is given some.
SELECT 1;

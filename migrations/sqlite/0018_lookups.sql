-- SQLite was given statistics (0012), so it takes the right index.
SELECT 1;

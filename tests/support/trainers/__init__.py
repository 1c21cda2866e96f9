"""The real code of other trainers, fetched for the tests, and the programs that call it in processes of their own."""

"""Keep a sample of the queries that a service answers, in Parquet files of bounded size and age."""

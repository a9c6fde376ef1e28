"""HTTP in, HTTP out: parameters are read, the search is asked, answers are written. No decision is made here."""

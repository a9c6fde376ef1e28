"""Report the papers that are new in saved searches: read the file, ask the service, write the report."""

"""Reports of tests that ran elsewhere, read as the records that our plugin writes."""

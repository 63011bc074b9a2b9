"""What users read about the API: one page and one OpenAPI document, both made from the tables the code answers by."""

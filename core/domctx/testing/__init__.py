"""What plugin authors test with: contract tests and hypothesis strategies."""

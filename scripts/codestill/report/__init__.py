from codestill.report.notebooks import load_cell, load_scores

__all__ = ["load_cell", "load_scores"]

"""What people see: names, figures, printed tables, pages, model cards."""

"""The configuration as types: the only place of its keys, their types, defaults, bounds and descriptions.

The text below a key is its description. The checks, the editors' schema (`workflow/schemas/config.schema.json`) and
the tables of `config/README.md` all come from here. Sections that games refine, such as `training`, exist twice:
complete (`Training`), as code reads them, and as a file may give them, any part (`partial(Training)`);
`config.settings` merges the parts.
"""

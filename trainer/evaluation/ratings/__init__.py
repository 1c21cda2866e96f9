"""People's ratings: blinded sheets out, agreement back in.

- `rubric`: the paper's five dimensions, and what points add up to
- `items`, `sheets`, `key`: which texts are rated, the files for who rates, and what the ids stand for
- `filled`: reading the sheets, however a spreadsheet program has saved them
- `measures`: Cohen's and Fleiss' kappa, Krippendorff's alpha
- `agreement`, `people`: how far raters agree with each other, what they say of the models, and of the rewards
- `report`, `command`: ``zhufu evaluate sheets`` and ``zhufu evaluate agreement``
"""

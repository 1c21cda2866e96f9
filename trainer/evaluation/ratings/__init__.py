"""People's ratings: blinded sheets out, agreement back in.

- `rubric`: the paper's five dimensions, and what points add up to
- `items`, `cells`, `sheets`, `key`: which texts are rated, the files for who rates, and what the ids stand for
- `filled`: reading the sheets, however a spreadsheet program has saved them
- `measures`, `agreement`: Cohen's and Fleiss' kappa, Krippendorff's alpha, and how far raters agree
- `people`, `reward_agreement`: what people say of the policies, and how far rewards say the same
- `findings`, `report`, `job`, `command`: ``zhufu evaluate sheets`` and ``zhufu evaluate agreement``
"""

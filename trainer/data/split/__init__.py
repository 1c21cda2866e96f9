"""``zhufu data split``: parts of which none holds a text of another, nor of what is to be kept out."""

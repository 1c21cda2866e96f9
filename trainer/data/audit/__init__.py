"""``zhufu data audit``: what is wrong with data before anything is trained on it or measured with it."""

"""Results as data: a card each, checked by a schema, and the page of all of them."""

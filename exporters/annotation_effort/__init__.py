"""How many keys people needed: counts, and the page that shows them."""

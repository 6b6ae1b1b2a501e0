"""What says how good an answer is: texts, shapes, nearness in meaning, another model, and combinations of these."""

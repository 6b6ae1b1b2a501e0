"""Id for id the same as the tokenizers of others, on vocabularies that are downloaded for it and never committed."""

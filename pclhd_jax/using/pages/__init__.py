"""One page that shows what runs have become: a section a file, strung together by `page`."""

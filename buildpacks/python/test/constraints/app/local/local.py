WORD = "from the source"

"""The values of the axis `recipe`, apart from the section of how they are drawn: their readers run no code of it."""

# Where a cell's text comes from: the corpus, or a model. Of what a model writes all but `teacher` needs tests.
RECIPES = ("corpus", "teacher", "verified", "unverified")
CORPUS, TEACHER = RECIPES[:2]
CORPUS_PROMPTS = "corpus_prompts"  # what `teacher` completes, named as a benchmark is

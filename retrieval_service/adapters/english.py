"""Analysis of English text and of names into terms of the lexical index; the same for papers and for queries."""

from __future__ import annotations

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

ANALYSIS_VERSION = 3
"""Increase this number when the terms or fields of a text change. The service refuses an index of another version."""

ENGLISH = "akin_english"
"""The name by which an index refers to `english_analyzer`."""

EVERY_WORD = "akin_every_word"
"""The name by which an index refers to `word_analyzer`."""

_LONGEST_TERM = 60

# Function words, and the rests of contractions ("don't" is read as "don" and "t"). Words that are merely frequent in
# papers ("method", "result") stay: their inverse document frequency already gives them little weight.
STOP_WORDS = tuple(
    """
    a about above across after again against ain all almost along already also although always am among an and another
    any anybody anyone anything anywhere are aren around as at back be became because become becomes been before behind
    being below between both but by can cannot could couldn d did didn do does doesn doing don done down during each
    either else enough etc even ever every everyone everything few for from further get gets give given go got had
    hadn has hasn have haven having he hence her here hers herself him himself his how however i if in indeed instead
    into is isn it its itself just keep kept let ll ma made make makes making many may maybe me might mightn mine more
    moreover most mostly much must mustn my myself namely need needn neither never nevertheless no nobody none nor not
    nothing now o of off often on once one only onto or other others otherwise our ours ourselves out over own per
    perhaps please put quite rather re really s same say seem seems several shall shan she should shouldn since so some
    somehow someone something sometimes still such t take than that the their theirs them themselves then thence there
    thereby therefore these they this those though through throughout thus to together too toward towards under until
    up upon us use used using ve very via was wasn we well were weren what whatever when whenever where whereas wherever
    whether which while who whoever whole whom whose why will with within without won would wouldn y yet you your yours
    yourself yourselves
    """.split()
)


def english_analyzer() -> TextAnalyzer:
    """Return an analyzer for words in lower case, accents folded, function words dropped, stemmed."""
    return _folded_words().filter(Filter.custom_stopword(list(STOP_WORDS))).filter(Filter.stemmer("english")).build()


def word_analyzer() -> TextAnalyzer:
    """Return an analyzer like `english_analyzer` that keeps function words, for phrases such as "all you need"."""
    return _folded_words().filter(Filter.stemmer("english")).build()


def name_analyzer() -> TextAnalyzer:
    """Return an analyzer for the words of a name in lower case, accents folded; none is dropped or stemmed."""
    return _folded_words().build()


def _folded_words() -> TextAnalyzerBuilder:
    words = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(_LONGEST_TERM))
    return words.filter(Filter.lowercase()).filter(Filter.ascii_fold())

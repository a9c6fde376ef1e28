import pytest

from akin.papers.withdrawn import is_withdrawn

NOTICES = [
    "This paper has been withdrawn by the author(s), due to a crucial sign error in equation 1.",
    "This paper (concerning the boundary condition) has been withdrawn by the author. Another study follows.",
    "This submission has been withdrawn by arXiv administrators because of a dispute.",
    "This article has been removed by arXiv administrators because it plagiarises another one.",
    "This version withdrawn by arXiv administrators because the author had no right to agree to the license.",
    "The paper is withdrawn due to a gap in Lemma 3.",
    "%auto-ignore This paper has been withdrawn by the author.",
    "Withdrawn",
    "The authors have withdrawn this paper",
    "I have withdrawn the manuscript after a remark of a reader.",
    "A crucial error was found, paper has been removed",
    "This paper has been removed and is superseded by two others.",
    "withdrawn; an error was found",
    "12 pages, 3 figures. Withdrawn by the authors",
    "Submission withdrawn because it was sent twice.",
    "Withdrawn paper because the results are published elsewhere.",
    "This preprint is retracted: the data were wrong.",
    "We prove a bound. To avoid confusion, we withdraw this manuscript.",
    "We prove a bound. Lemma 4 has a gap, which leads to the withdrawal of the paper.",
    "This manuscript has been withdrawn from the arXiv. It is now published.",
    "We prove a bound. " * 30 + "This paper had been withdrawn due to some missing cases in Lemmas 2 and 3.",
]
IN_COMMENTS = ["12 pages, withdrawn", "5 pages; 2 figures; now withdrawn.", "To appear, paper withdrawn"]
OTHERS = [
    "v2: a wrong figure in the paper has been removed",
    "Revised; the note has been removed. The error of the paper has been removed.",
    "An assumption has been removed, and the paper has been shortened.",
    "The authors have withdrawn water from the basin. This paper has been removed from no list.",
    "Adverse reactions are a frequent cause to withdraw drugs from markets. This paper studies withdrawn drugs.",
    "Withdrawn drugs are classified by their structure.",
    "A plate is withdrawn from a bath of fluid.",
    "We study how articles are cited after the article was retracted, in 400 journals, and how long it takes until the "
    "number of citations falls. " * 3,
    "The original paper and the Reply should be corrected.",
    "This note was withdrawn from circulation by the central bank in 1925; we study its replacement.",
    "Every absolute neighbourhood retract has this property. This paper retracts a disc to its boundary.",
    "The valuation of a guaranteed minimum withdrawal benefit.",
    "Supersedes the withdrawn arXiv:0804.1234",
    "12 pages, 3 figures",
]


@pytest.mark.parametrize("text", NOTICES)
def test_a_notice_in_the_abstract_or_the_comments_says_withdrawn(text):
    assert is_withdrawn("A title", text)
    assert is_withdrawn("A title", "We prove a theorem.", text)


@pytest.mark.parametrize("text", OTHERS)
def test_a_text_about_something_withdrawn_is_no_notice(text):
    assert not is_withdrawn("On retracts and withdrawn drugs", text)
    assert not is_withdrawn("A title", "We prove a theorem.", text)


@pytest.mark.parametrize("title", ["Withdrawn: a proof", "[RETRACTED] A proof", "WITHDRAWN", "A proof (withdrawn)"])
def test_a_title_may_say_it(title):
    assert is_withdrawn(title, "We prove a theorem.")


@pytest.mark.parametrize("text", IN_COMMENTS)
def test_comments_may_end_with_it(text):
    assert is_withdrawn("A title", "We prove a theorem.", text)
    assert not is_withdrawn("A title", text)

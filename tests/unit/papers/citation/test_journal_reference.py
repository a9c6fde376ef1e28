import pytest

from akin.papers.citation import JournalReference, parse_journal_reference

JOURNALS = [
    ("Phys. Rev. D 76, 013009 (2007)", "Phys. Rev. D", 2007, "76", "", "013009"),
    ("JHEP 0704:079,2007", "JHEP", 2007, "0704", "", "079"),
    ("JHEP07(2012)001", "JHEP", 2012, "07", "", "001"),
    ("Nucl.Phys.B 123 (1998) 45-67", "Nucl.Phys.B", 1998, "123", "", "45-67"),
    ("Nucl.Phys. B123 (1998) 45", "Nucl.Phys.B", 1998, "123", "", "45"),
    ("Phys.Rev.D76:013009,2007", "Phys.Rev.D", 2007, "76", "", "013009"),
    ("Astron. Astrophys. 456 (2006), L1", "Astron. Astrophys.", 2006, "456", "", "L1"),
    ("Eur. Phys. J. C (2015) 75:132", "Eur. Phys. J. C", 2015, "75", "", "132"),
    ("J. Phys. A: Math. Theor. 40 (2007) 123--130", "J. Phys. A: Math. Theor.", 2007, "40", "", "123-130"),
    ("J. Stat. Mech. (2007) P07001", "J. Stat. Mech.", 2007, "", "", "P07001"),
    ("SIGMA 3 (2007), 001, 12 pages", "SIGMA", 2007, "3", "", "001"),
    ("J. Imag., vol. 53, no. 2, pp. 500–510, Feb. 2007", "J. Imag.", 2007, "53", "2", "500-510"),
    ("J. Algebra 310 (2007), no. 1, 1--20", "J. Algebra", 2007, "310", "1", "1-20"),
    ("Entropy 2020, 22(5), 560", "Entropy", 2020, "22", "5", "560"),
    ("2007 J. Phys.: Conf. Ser. 78 012345", "J. Phys.: Conf. Ser.", 2007, "78", "", "012345"),
    ("Proc. Natl. Acad. Sci. USA 104, 1-10 (2007)", "Proc. Natl. Acad. Sci. USA", 2007, "104", "", "1-10"),
    ("npj Imaginary Things 3, Article number: 25 (2017)", "npj Imaginary Things", 2017, "3", "", "25"),
    ("MNRAS 2012 Vol. 420 pp 1-10", "MNRAS", 2012, "420", "", "1-10"),
    ("Science 12 March 2007: Vol. 315 no. 5800 pp. 123-126", "Science", 2007, "315", "5800", "123-126"),
    ("Annals Imag. 165(2), 2007, 1-20", "Annals Imag.", 2007, "165", "2", "1-20"),
    ("Rev. Imag. 79 (2007) 1 [arXiv:0704.0001]", "Rev. Imag.", 2007, "79", "", "1"),
    ("Imag. Lett. 98 (2007) 1, arXiv:0704.0001", "Imag. Lett.", 2007, "98", "", "1"),
    ("Imag. Lett. 98 (2007) 1, hep-ph/0704001v2 [hep-ph]", "Imag. Lett.", 2007, "98", "", "1"),
    ("Phys. Rev. D 100, 123456(R) (2019)", "Phys. Rev. D", 2019, "100", "", "123456"),
    ("JCAP 1801:001,2018", "JCAP", 2018, "1801", "", "001"),
    ("JCAP 2001:001,2020", "JCAP", 2020, "2001", "", "001"),
    ("Prog. Theor. Exp. Phys. 2022, 083C01", "Prog. Theor. Exp. Phys.", 2022, "", "", "083C01"),
    ("Phys. Rev. C 100, 024L01 (2019)", "Phys. Rev. C", 2019, "100", "", "024L01"),
    ("PoS LATTICE2018 (2019) 001", "PoS", 2019, "LATTICE2018", "", "001"),
    ("PoS(ICHEP 2020)123 (2021)", "PoS", 2021, "ICHEP 2020", "", "123"),
    ("Nucl.Phys.B1000 (2024) 1", "Nucl.Phys.B", 2024, "1000", "", "1"),
    ("Phys.Lett. B500 (2001) 1", "Phys.Lett.B", 2001, "500", "", "1"),
    ("Ann. of Imag. (2) 141 (1995), no. 3, 443–551", "Ann. of Imag. (2)", 1995, "141", "3", "443-551"),
    ("Ann. of Imag. (2) 141 (1995), 443-551", "Ann. of Imag. (2)", 1995, "141", "", "443-551"),
    ("Logical Imag. 15(1), 2019, 3:1–3:20", "Logical Imag.", 2019, "15", "1", "3:1-3:20"),
    ("Electron. J. Imag. 27 (2020), Paper No. 1.23, 20 pp", "Electron. J. Imag.", 2020, "27", "", "1.23"),
    (
        "Proc. ACM Program. Lang. 4, POPL, Article 12 (January 2020)",
        *("Proc. ACM Program. Lang.", 2020, "4", "POPL", "12"),
    ),
    (
        "Proc. ACM Meas. Anal. Comput. Syst. 4, 1, Article 12 (March 2020)",
        *("Proc. ACM Meas. Anal. Comput. Syst.", 2020, "4", "1", "12"),
    ),
    ("Imag. Lett. 98, 123456 (2007), doi:10.5555/imag.98", "Imag. Lett.", 2007, "98", "", "123456"),
]


@pytest.mark.parametrize(("text", "venue", "year", "volume", "number", "pages"), JOURNALS)
def test_a_journal_is_divided(text: str, venue: str, year: int, volume: str, number: str, pages: str):
    assert parse_journal_reference(text) == JournalReference(venue, year, volume, number, pages)


@pytest.mark.parametrize(
    ("text", "venue", "year", "pages"),
    [
        ("Proc. of ICML 2019, pp. 1-10", "Proc. of ICML 2019", 2019, "1-10"),
        (
            "In Proceedings of the 5th Workshop on X, 2011, pages 12--20",
            "Proceedings of the 5th Workshop on X",
            2011,
            "12-20",
        ),
        ("CVPR 2020", "CVPR 2020", 2020, ""),
        (
            "International Conference on Imaginary Things (ICIT), 2020",
            "International Conference on Imaginary Things (ICIT)",
            2020,
            "",
        ),
    ],
)
def test_proceedings_are_told_from_journals(text: str, venue: str, year: int, pages: str):
    assert parse_journal_reference(text) == JournalReference(venue, year, pages=pages, is_conference=True)


@pytest.mark.parametrize(
    ("text", "venue", "series", "volume", "pages"),
    [
        ("LIPIcs, Volume 251, ITCS 2023, pp. 1:1-1:20", "ITCS 2023", "LIPIcs", "251", "1:1-1:20"),
        (
            "In Proc. 34th Int. Symposium on X (SoCG 2018), LIPIcs 99, 12:1–12:15",
            *("Proc. 34th Int. Symposium on X (SoCG 2018)", "LIPIcs", "99", "12:1-12:15"),
        ),
        (
            "14th Imag. Conference (ITCS 2023), pages 34:1--34:22",
            "14th Imag. Conference (ITCS 2023)",
            "",
            "",
            "34:1-34:22",
        ),
        ("ICML 2019, Long Beach, June 9-15, PMLR 97:1-10", "ICML 2019, Long Beach, June 9-15", "PMLR", "97", "1-10"),
        ("Proc. of ICML 2019, Vol. 3, pp. 1-10", "Proc. of ICML 2019", "", "3", "1-10"),
    ],
)
def test_the_series_of_proceedings(text: str, venue: str, series: str, volume: str, pages: str):
    found = parse_journal_reference(text)
    assert found is not None
    assert found == JournalReference(venue, found.year, volume, pages=pages, is_conference=True, series=series)


def test_the_first_of_two_references_is_taken():
    found = parse_journal_reference("Phys.Rev. D76 (2007) 013009; Erratum-ibid. D77 (2008) 1")
    assert found == JournalReference("Phys.Rev.D", 2007, "76", "", "013009", rest="Erratum-ibid. D77 (2008) 1")
    found = parse_journal_reference("Phys.Lett. B650 (2007) 1-5; Phys.Lett. B651 (2007) 7")
    assert found == JournalReference("Phys.Lett.B", 2007, "650", "", "1-5", rest="Phys.Lett. B651 (2007) 7")


@pytest.mark.parametrize(
    "text",
    [
        *("", "12345", "Foo 12", "pp. 1-10 (2007)", "Volume 12 (2007)", "Journal of Imag (2007)", "Transactions, 2023"),
        *("Phys. Rev. Lett. 98, 123456", "to appear in Annals of Imag. 5 (2007) 1", "Phys. Rev. E 75, 2007"),
        *("Springer, 2007, pp. 1-10", "Lecture Notes in Computer Science 4580, pp 1-10 (2007)", "Talk at ICML 2019"),
        *("Electron. J. Probab. 25 (2020), paper no. 1, 1-20", "Lattice LAT2018 (2019) 001", "PoS(LAT2018)001"),
        *(
            "ICML 2019, Article 12",
            "Workshop on X 3 (2020), 12 pages",
            "Submitted to Imag. 5 (2007) 1",
            "arXiv:1801.00001",
        ),
        *("Under review at Imag. 5 (2007) 1", "Accepted by ICML 2019", "doi:10.5555/x"),
        *("In ICCV 2019 and CVPR 2020", "Phys. Rev. D 76, 1 (2007) and Phys. Rev. D 77, 1 (2008)", "(2007) " * 70),
    ],
)
def test_an_uncertain_reference_is_left_whole(text: str):
    assert parse_journal_reference(text) is None

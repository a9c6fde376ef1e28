"""Ask the service over HTTP what people type and paste, about records that hold what real ones hold."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import chain
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import uvicorn

from akin.edge.serving import server_config
from akin.papers import read_papers
from retrieval_service.app import create_app
from retrieval_service.settings import Settings
from tests.integration.generated import HashEncoder, OneEncoder, build
from tests.integration.odd_records import write_addresses, write_records
from tests.servers import within


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Build the index of the records once, serve it on a port of its own, and yield a client."""
    data, encoder = tmp_path_factory.mktemp("odd"), HashEncoder()
    files = (write_records(data / "records.jsonl"), write_addresses(data / "addresses.jsonl"))
    build(chain.from_iterable(map(read_papers, files)), encoder, data)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(Settings(data=data, watch_seconds=30, search_threads=1), OneEncoder(encoder))
        server = uvicorn.Server(server_config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=20) as client:
                within(20, "the server has started", lambda: server.started)
                yield client
        finally:
            server.should_exit = True
            thread.join(20)


def search(client: httpx.Client, query: str, **parameters: Any) -> Any:
    answer = client.get("/search", params={"q": query, "k": 50, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(client: httpx.Client, query: str, **parameters: Any) -> list[str]:
    """Return the ids of the results, without the beginning that most share."""
    return [paper["id"].removeprefix("2502.110") for paper in search(client, query, **parameters)["results"]]


def cited(client: httpx.Client, number: str, form: str = "bibtex") -> str:
    paper_id = f"2502.110{number}" if len(number) == 2 else number
    return client.get(f"/papers/{paper_id}/citation", params={"format": form}).text


# Condition: the ids that it finds, and no others
CONDITIONS = {
    # Suffixes, families of two words, particles, collaborations
    'au:"Marcus Thorne, III"': "04", 'au:"Thorne III, Marcus"': "04", 'au:"M. Thorne"': "04",
    'au:"Desmond Fairly, Sr."': "05", 'au:"Fairly, Sr., Desmond"': "05", "au:fairly_d": "05",
    'au:"Quesada Pinto"': "06", 'au:"Quesada Pinto, Maria"': "06", "au:Pinto": "06",
    'au:"van den Aker"': "06", 'au:"Aker, Joost van den"': "06",
    "au:FIRNVALL": "01", 'au:"The FIRNVALL Collaboration"': "01", 'au:"TARN Collaboration"': "02", "au:brisk": "02",
    # Transliterated names, accents, apostrophes, hyphens
    'au:"B\\"ottcher"': "07", "au:Boettcher": "07", "au:Bottcher": "07", "au:Böttcher": "07",
    "au:Nygaard": "07", "au:Nygard": "07",
    'au:"Thora Aesisdottir"': "07", 'au:"Þóra Æsisdóttir"': "07",
    "au:ORafferty": "08", "au:O’Rafferty": "08", 'au:"J-L Quenneville"': "08", 'au:"JL Quenneville"': "08",
    "au:Wasik": "08", 'au:"Lucja Wąsik"': "08",
    "au:Lebedev": "09", "au:Лебедев": "09", 'au:"Dmitry Lebedev"': "09", "au:Dimitriou": "09", "au:Δημητρίου": "09",
    # TeX accents
    'au:"\\v{C}ap\\\'ik"': "10", "au:Capik": "10", "au:Čapík": "10",
    "au:Zieba": "10", "au:Loebl": "10", "au:Strøm": "11", "au:Stroem": "11",
    "ti:Hölder": "10", "ti:Holder": "10", "abs:Polya": "10", "abs:Szegő": "10", "ti:naive": "11", "ti:friends": "11",
    # Invisible characters, ligatures, full-width letters, entities; words broken at a line's end
    "ti:electrochromic": "25", "ti:window": "25", "ti:coatings": "25", "abs:efficiency": "25", "abs:tin": "25",
    "ti:electro\u00adchromic": "25", 'abs:"films foils"': "25",
    "abs:magnetoencephalography": "26", "abs:regression": "26", "abs:semi-automatic": "26", "abs:semiautomatic": "26",
    # Scripts without spaces
    'ti:"气象预报"': "27", "ti:神经网络": "27", "ti:量子計算": "28", "abs:材料": "28", "ti:เชิงลึก": "29",
    # Phrases of function words
    '"what it was"': "30", 'ti:"rumour is not what it was"': "30", '"is not"': "30 31", '"what was true of it"': "30",
    # Parts of one letter
    '"K-theory"': "32", '"T-dualities"': "32", 'ti:"T-duality"': "32", 'au:Blum ti:theory -"K-theory"': "33",
    # Compounds
    "ti:few-shot": "34 35", "ti:fewshot": "34 35", 'ti:"few shot"': "34 35", "ti:post-processing": "34 35",
    "abs:over-fit": "34", "abs:realtime": "35",
    # arXiv's own query language
    'au:"Greta Lyle" OR au:"Tomas Reed"': "36 37 38", 'au:"Greta Lyle" ANDNOT ti:survey': "36",
    "(au:Lyle OR au:Reed) AND ti:dunes": "38", "author:Reed": "38", "all:moth AND NOT all:survey": "36",
    "ti:dunes AND submittedDate:[202501010000 TO 202512312359]": "38 39",
    "au:Quill AND submittedDate:[* TO 2010]": "cond-mat/0406991",
    "search_query=au:Lyle+ANDNOT+ti:survey": "36",
    "https://export.arxiv.org/api/query?search_query=au:Lyle&start=0": "36 37",
    # Archives that were divided
    "ti:dunes cat:cond-mat": "39 cond-mat/0406991", "ti:dunes cat:cond-mat.*": "39 cond-mat/0406991",
    "ti:dunes cat:cond-mat.soft": "39", "cat:gr-qc": "gr-qc/9805992", "cat:cs": "36 37 38",
    # The order of versions
    "ti:foam submittedDate:[20180814 TO 20180814]": "1808.11024", "ti:foam year:2019-2024": "",
    # DOIs
    "id:10.5555/reeds.2023.401": "2011.11014", "id:https://doi.org/10.5555/WARM_syrup.2025.9": "18",
}  # fmt: skip


@pytest.mark.parametrize("query", CONDITIONS)
@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_conditions_find_these_papers_and_no_others(odd: httpx.Client, query: str, mode: str) -> None:
    assert set(found(odd, query, mode=mode)) == set(CONDITIONS[query].split())


RANKINGS = {
    "图神经网络": "27",
    "材料探索 量子": "28",
    "ข้าว": "29",
    "magnetoencephalography spindles": "26",
    "fewshot snowfall": "35",
}


@pytest.mark.parametrize("query", RANKINGS)
def test_words_rank_this_paper_first(odd: httpx.Client, query: str) -> None:
    assert found(odd, query, mode="lexical")[0] == RANKINGS[query]


CITATIONS = {
    "01": ["{{The FIRNVALL Collaboration} and Ebbesen, T.}", "!{:}"],
    "02": ["Tolland, R. and Wick, S. and {BRISK Collaboration} and {TARN Collaboration}"],
    "03": ["{Pell, Ana and Rowe, Cid}", "!et al"],
    "04": ["Thorne, III, Marcus and Brandvold, Ula", "@misc{thorne2025ropes,"],
    "05": ["{Fairly, Sr., Desmond}"],
    "06": ["{Quesada Pinto, María and van den Aker, Joost}"],
    "07": ["Æsisdóttir, Þóra", "@misc{bottcher2025humming,"],
    "10": ["Čapík, Aleš and Zięba, Łucja and Lœbl, Françoise", r"$\beta$", "Hölder", "$x_{i}^{2}$", "@misc{capik2025"],
    "11": ["Naïve", r"\&", r"90\% of", r"$\mathcal{L}^1$", "!{\\em", "!textbf", "@misc{strom2025"],
    "12": [r"Tab\_width", r"y\textasciicircum{}3 fees \& 5\% \#noise", "$f_{k}$", "{ViT}", "{LSTM}"],
    "13": ["{DNA}", r"\textasciitilde{}tilde", r"\$ 5", r"\textbraceleft{}closed"],
    "17": ["doi = {10.5555/syrup(2025)8:1-2}", "!dx.doi.org"],
    "18": [r"10.5555/warm", "!doi: 10"],
    "2011.11014": ["@article{frisk2023", "year = {2023}", "volume = {21}", "{401--419}", "eprint = {2011.11014}"],
    "2105.11015": ["@misc{frisk2021", "year = {2021}", "note = {to appear in Annals of Invented Wood}"],
    "2105.11016": ["@article{frisk2022", "year = {2022}", "volume = {7}", "pages = {012345}"],
    "20": ["Withdrawn"],
}


@pytest.mark.parametrize("number", CITATIONS)
def test_citations(odd: httpx.Client, number: str) -> None:
    text = cited(odd, number)
    for part in CITATIONS[number]:
        assert part[1:] not in text if part.startswith("!") else part in text, text
    assert sum({"{": 1, "}": -1}.get(sign, 0) for sign in re.sub(r"\\[{}]", "", text)) == 0


def test_other_forms_of_citations_have_the_same_names_and_years(odd: httpx.Client) -> None:
    assert "AU  - Thorne, Marcus, III\n" in cited(odd, "04", "ris").replace("\r", "")
    assert all(part in cited(odd, "2011.11014", "ris") for part in ("TY  - JOUR", "PY  - 2023", "VL  - 21"))
    assert '"family": "Quesada Pinto"' in cited(odd, "06", "csl-json")


PAPERS: dict[str, dict[str, Any]] = {
    "10": {"title": r"On Čapík's $\beta$-sheaves and the Hölder norm of $x_{i}^{2}$",
           "authors": ["Aleš Čapík", "Łucja Zięba", "Françoise Lœbl"]},
    "11": {"title": r"Naïve Bayes & friends: 90% of $\mathcal{L}^1$ risk", "authors": ["Øystein Strøm"]},
    "17": {"doi": "10.5555/syrup(2025)8:1-2"},
    "19": {"doi": "10.5555/hot.1"},
    "20": {"withdrawn": True}, "21": {"withdrawn": True}, "22": {"withdrawn": True}, "23": {"withdrawn": False},
    "24": {"date": "2018-08-14"},
    "25": {"title": "Electrochromic window coatings", "abstract": "The efficiency of Tin films & foils is < 1."},
    "26": {"abstract": "Our magnetoencephalography is silent. A semi-automatic regression finds spindles."},
}  # fmt: skip


@pytest.mark.parametrize("number", PAPERS)
def test_fields_of_papers(odd: httpx.Client, number: str) -> None:
    paper = odd.get("/papers/1808.11024" if number == "24" else f"/papers/2502.110{number}").json()
    assert {name: paper[name] for name in PAPERS[number]} == PAPERS[number]
    if "doi" in PAPERS[number]:
        assert paper["links"]["doi"] == f"https://doi.org/{paper['doi']}"


def test_withdrawn_papers_stay_apart_and_can_be_left_out(odd: httpx.Client) -> None:
    query = "sums of tall primes"
    assert set(found(odd, query)[:2]) == {"21", "22"}
    assert not {"20", "21", "22"} & set(found(odd, query, withdrawn="exclude"))
    assert set(found(odd, query, withdrawn="only")) == {"20", "21", "22"}


def test_a_filter_by_the_first_version_s_day(odd: httpx.Client) -> None:
    day = {"from": "2018-08-14", "to": "2018-08-14"}
    assert found(odd, "bridges", **day) == ["1808.11024"]
    assert "1808.11024" not in found(odd, "foam bridges", **{"from": "2018-08-15"})


NAMED = {
    "2502.11036": [
        "arXiv preprint arXiv:2502.11036", "2502.11036v3.pdf", "https://arxiv.org/abs/arXiv:2502.11036",
        "arXiv.2502.11036",
        "2502.11036\u200b", "\ufeff2502.11036", "2502.\u200b11036", "２５０２．１１０３６", "arXiv: 2502. 11036",
        "https://scirate.com/arxiv/2502.11036", "https://inspirehep.net/arxiv/2502.11036", "https://hf.co/papers/2502.11036",
        "https://www.semanticscholar.org/arxiv/2502.11036?sort=x", "https://doi.org/10.48550/arXiv.2502.11036",
        "http://arxiv.org/abs/2502.11036v2", "https://arxiv.org/pdf/2502.11036v12.pdf#page=3",
        "2502.11036v1 [cs.RO] 3 Feb 2025",
        "[antennae](https://arxiv.org/abs/2502.11036)", r"\href{https://arxiv.org/abs/2502.11036}{antennae}",
        "eprint = {2502.11036},", "oai:arXiv.org:2502.11036", "2502.11036v1 (2).pdf", "<https://arxiv.org/html/2502.11036v1>",
    ],
    "gr-qc/9805992": [
        "gr-qc9805992", "gr‐qc/9805992", "gr\u2011qc/9805992", "GR-QC/9805992v1", "http://xxx.lanl.gov/abs/gr-qc/9805992",
        "arXiv:gr-qc/9805992", "gr-qc/9805992.pdf", "https://arxiv.org/pdf/gr-qc/9805992v1", "gr-qc%2F9805992",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("paper_id", "text"), [(name, text) for name, texts in NAMED.items() for text in texts])
def test_ids_as_people_paste_them(odd: httpx.Client, paper_id: str, text: str) -> None:
    assert [paper["id"] for paper in search(odd, text)["query"]["like"]] == [paper_id]


@pytest.mark.parametrize(
    "text", ["2502.11036 2502.11038", "2502.11036，2502.11038", "https://arxiv.org/abs/2502.11036v1\narXiv:2502.11038",
             "1. 2502.11036\n2. 2502.11038", "2502.11036、2502.11038"]
)  # fmt: skip
def test_several_ids(odd: httpx.Client, text: str) -> None:
    assert [paper["id"] for paper in search(odd, text)["query"]["like"]] == ["2502.11036", "2502.11038"]


@pytest.mark.parametrize(
    ("text", "paper_id"),
    [
        ("2502.11045", "2502.11045"),
        ("2502.11045v1", "2502.11045"),
        ("http://arxiv.org/abs/2502.11045v2", "2502.11045"),
        ("arXiv:math/0406993", "math/0406993"),
        ("https://arxiv.org/pdf/math.GT/0406993v1", "math/0406993"),
    ],
)
def test_ids_stored_as_addresses_with_a_version(odd: httpx.Client, text: str, paper_id: str) -> None:
    assert [paper["id"] for paper in search(odd, text)["query"]["like"]] == [paper_id]
    assert odd.get(f"/papers/{text}").json()["id"] == paper_id


def test_two_versions_are_one_result(odd: httpx.Client) -> None:
    (paper,) = search(odd, "ti:barometers")["results"]
    assert (paper["id"], paper["abstract"]) == ("2502.11045", "By day.")


@pytest.mark.parametrize(
    "query",
    [
        "dunes jr:Nature",
        "dunes lastUpdatedDate:[2024 TO 2025]",
        "dunes site:arxiv.org",
        "dunes Lyle[au]",
        "rovers see 2502.11036",
    ],
)
def test_what_is_not_understood_is_said(odd: httpx.Client, query: str) -> None:
    assert search(odd, query)["notes"]


LONG = {
    "φωτεινές μέρες ή " * 1082: (200, None),
    "深" * 21_000: (400, "query_too_long"),
    "φ" * 60_000: (414, "address_too_long"),
}


@pytest.mark.parametrize("query", LONG, ids=len)
def test_long_addresses(odd: httpx.Client, query: str) -> None:
    # httpx refuses such addresses itself.
    connection = HTTPConnection(odd.base_url.host, odd.base_url.port, timeout=20)
    connection.request("GET", f"/search?q={quote(query)}")
    answer = connection.getresponse()
    error = json.loads(answer.read()).get("error", {})
    assert (answer.status, error.get("code")) == LONG[query]
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/health", "/health/live", "/health/ready", "/papers/gr-qc/9805992", "/papers/2502.99999", "/search?q=dunes"],
)
def test_head_has_the_status_of_get(odd: httpx.Client, path: str) -> None:
    assert odd.head(path).status_code == odd.get(path).status_code
    assert odd.head(path).content == b""


def test_offsets_up_to_the_last_one(odd: httpx.Client) -> None:
    assert found(odd, "dunes", offset=1000) == []
    answer = odd.get("/search", params={"q": "dunes", "offset": 1001})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter")

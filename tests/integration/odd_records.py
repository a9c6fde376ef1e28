"""Made-up records with what real ones hold, in the layout of arXiv's metadata snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIRST_VERSION = ("v1", "Mon, 3 Feb 2025 09:00:00 GMT")
NOTICE = "This manuscript has been withdrawn by the authors owing to a gap in Section 3."
TEXT = "Some measurements of an invented thing, told in few words."

# id: (title, printed authors, further fields)
_RECORDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # Names
    "2502.11001": (
        "Kaons in a bucket",
        "The FIRNVALL Collaboration: T. Ebbesen",
        {"authors_parsed": [["The FIRNVALL Collaboration", "", ""], [":", "", ""], ["Ebbesen", "T.", ""]]},
    ),
    "2502.11002": ("Muons in a teapot", "R. Tolland, S. Wick, for the BRISK and TARN Collaborations", {}),
    "2502.11003": (
        "Neutrons in a jar",
        "Ana Pell, Cid Rowe, et al.",
        {"authors_parsed": [["Pell", "Ana", ""], ["Rowe", "Cid", ""], ["et al.", "", ""]]},
    ),
    "2502.11004": (
        "Ropes of sand",
        "Marcus Thorne III, Ula Brandvold",
        {"authors_parsed": [["Thorne", "Marcus", "III"], ["Brandvold", "Ula", ""]]},
    ),
    "2502.11005": ("Ropes of water", "Desmond Fairly Sr.", {"authors_parsed": [["Fairly", "Desmond", "Sr."]]}),
    "2502.11006": (
        "Ropes of smoke",
        "María Quesada Pinto, Joost van den Aker",
        {"authors_parsed": [["Quesada Pinto", "María", ""], ["van den Aker", "Joost", ""]]},
    ),
    "2502.11007": ("Humming of wet glass", "Jürgen Böttcher, Åsa Nygård, Þóra Æsisdóttir", {}),
    "2502.11008": ("Humming of dry glass", "Siobhán O'Rafferty, Jean-Luc Quenneville, Łucja Wąsik", {}),
    "2502.11009": ("Humming of thick glass", "Дмитрий Лебедев, Ελένη Δημητρίου", {}),
    # TeX
    "2502.11010": (
        r"On \v{C}ap\'{\i}k's $\beta$-sheaves and the H\"older norm of $x_{i}^{2}$",
        r"Ale\v{s} \v{C}ap\'{\i}k, \L{}ucja Zi\k{e}ba, Fran\c{c}oise L{\oe}bl",
        {"abstract": r"We extend a theorem of P\'olya--Szeg\H{o} type to ``thin'' sets~$A$ with $|A|<\infty$."},
    ),
    "2502.11011": (
        r"{\em Na\"{\i}ve} {Bayes} \& \textbf{friends}: 90\% of $\mathcal{L}^1$ risk",
        r"\O{}ystein Str{\o}m",
        {},
    ),
    # Titles in citations
    "2502.11012": ("Tab_width, y^3 fees & 5% #noise in $f_{k}$: can ViT or LSTM tell?", "Ezra Moult", {}),
    "2502.11013": ("A {closed brace, ~tilde, back\\slash and $ 5 of p53 in DNA", "Ezra Moult", {}),
    # Published papers, and DOIs
    "2011.11014": (
        "Echoes in chains of hollow reeds",
        "Wanda Frisk",
        {
            "journal-ref": "J. Imag. Acoust. 21 (2023) 401-419",
            "doi": "10.5555/reeds.2023.401",
            "versions": [("v1", "Thu, 12 Nov 2020 09:00:00 GMT"), ("v2", "Fri, 3 Mar 2023 09:00:00 GMT")],
        },
    ),
    "2105.11015": (
        "Echoes in hollow trees",
        "Wanda Frisk",
        {"journal-ref": "to appear in Annals of Invented Wood", "versions": [("v1", "Mon, 3 May 2021 09:00:00 GMT")]},
    ),
    "2105.11016": (
        "Echoes in hollow hills",
        "Wanda Frisk",
        {"journal-ref": "Imag. Lett. B 7, 012345 (2022)", "versions": [("v1", "Mon, 3 May 2021 09:00:00 GMT")]},
    ),
    "2502.11017": ("Layers of cold syrup", "Odd Lie", {"doi": "http://dx.doi.org/10.5555/syrup(2025)8:1-2"}),
    "2502.11018": ("Layers of warm syrup", "Odd Lie", {"doi": "doi: 10.5555/warm_syrup.2025.9"}),
    "2502.11019": ("Layers of hot syrup", "Odd Lie", {"doi": "10.5555/hot.1 10.5555/hot.2"}),
    # Withdrawn
    "2502.11020": (
        "All tame graphs are narrow",
        "Petra Vos",
        {"comments": "Withdrawn by the author: Lemma 4 is wrong"},
    ),
    "2502.11021": ("Sums of tall primes in thin rings", "Petra Vos", {"abstract": NOTICE, "comments": "withdrawn"}),
    "2502.11022": ("Sums of tall primes in thick rings", "Hal Ode", {"abstract": NOTICE, "comments": "withdrawn"}),
    "2502.11023": (
        "Medicines withdrawn from pharmacies",
        "Hal Ode",
        {"abstract": "We study medicines that were withdrawn from the market.", "comments": "12 pages"},
    ),
    # Versions
    "1808.11024": (
        "Foam bridges between combs",
        "Leif Orm",
        {
            "versions": [
                ("v12", "Wed, 5 Jun 2024 09:00:00 GMT"),
                ("v1", "Tue, 14 Aug 2018 09:00:00 GMT"),
                ("v3", "Mon, 7 Jan 2019 09:00:00 GMT"),
            ]
        },
    ),
    # Characters and words
    "2502.11025": (
        "Electro\u00adchromic win\u200bdow co\u2060atings",
        "Rae Finch",
        {"abstract": "The e\ufb03ci\u00adency of \uff34\uff49\uff4e films &amp; foils is &lt; 1."},
    ),
    "2502.11026": (
        "Sounds of sleep",
        "Rae Finch",
        {"abstract": "Our magneto-\nencephalo-\ngraphy is silent. A semi-\nautomatic re-\ngression finds spindles."},
    ),
    "2502.11027": ("图神经网络在气象预报中的应用", "Wei Tan", {"abstract": "本文研究图神经网络。"}),
    "2502.11028": ("量子計算による材料探索", "Mio Kano", {"abstract": "新しい材料を探す。"}),
    "2502.11029": ("การเรียนรู้เชิงลึกสำหรับข้าว", "Nok Dee", {"abstract": "ข้าวและฝน"}),
    "2502.11030": (
        "Rumour is not what it was",
        "Bea Crane",
        {"abstract": "Rumours age. What was true of it is no more."},
    ),
    "2502.11031": ("What rumour was, and is not: it ages", "Bea Crane", {"abstract": "Rumours are compared."}),
    "2502.11032": ("K-theory of T-dualities", "Ovid Blum", {"abstract": "K-theory classifies the charges."}),
    "2502.11033": (
        "Theories of class M2 without dualities",
        "Ovid Blum",
        {"abstract": "A theory, and a duality of M2 type."},
    ),
    "2502.11034": ("Few-shot post-processing of rainfall", "Ovid Blum", {"abstract": "We overfit on purpose."}),
    "2502.11035": ("Fewshot postprocessing of snowfall", "Ovid Blum", {"abstract": "Real time forecasts."}),
    # Queries and archives
    "2502.11036": (
        "Moth-like antennae for rovers",
        "Greta Lyle",
        {"categories": "cs.RO", "abstract": "Rovers smell dunes."},
    ),
    "2502.11037": ("A survey of antennae for rovers", "Greta Lyle", {"categories": "cs.RO"}),
    "2502.11038": ("Burrowing in dunes", "Tomas Reed", {"categories": "cs.RO cs.SY"}),
    "2502.11039": ("Dunes of frozen nitrogen", "Iris Quill", {"categories": "cond-mat.soft"}),
    "cond-mat/0406991": (
        "Dunes of glass beads",
        "Iris Quill",
        {"categories": "cond-mat", "versions": [("v1", "Tue, 8 Jun 2004 09:00:00 GMT")]},
    ),
    "gr-qc/9805992": (
        "Old wormholes with doors",
        "Max Stow",
        {"categories": "gr-qc", "versions": [("v1", "Tue, 5 May 1998 09:00:00 GMT")]},
    ),
}


def write_records(path: Path) -> Path:
    """Write the records as a file of JSON lines; return its path."""
    with path.open("w", encoding="utf-8") as file:
        for paper_id, (title, authors, fields) in _RECORDS.items():
            versions = fields.get("versions", [FIRST_VERSION])
            record = {
                "id": paper_id, "submitter": "A. Submitter", "authors": authors, "title": title, "comments": None,
                "journal-ref": None, "doi": None, "report-no": None, "categories": "physics.gen-ph", "license": None,
                "update_date": "2025-02-03",
            }  # fmt: skip
            record |= fields
            record["abstract"] = f"  {fields.get('abstract', TEXT)}\n"
            record["versions"] = [{"version": name, "created": day} for name, day in versions]
            file.write(json.dumps(record) + "\n")
    return path


def write_addresses(path: Path) -> Path:
    """Write records in another layout, whose ids are addresses with versions; return the file's path."""
    versions = {"https://arxiv.org/abs/2502.11045v1": "By night.", "http://arxiv.org/pdf/2502.11045v2.pdf": "By day."}
    records = [
        {"id": name, "title": "Bees as barometers", "abstract": text, "authors": ["Ola Birk"], "categories": "nlin"}
        for name, text in versions.items()
    ]
    records.append(records[0] | {"id": "http://arxiv.org/abs/math/0406993v1", "title": "Knots in bee lines"})
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path

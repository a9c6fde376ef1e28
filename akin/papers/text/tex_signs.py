"""Letters and signs that TeX has names for, outside mathematics."""

from __future__ import annotations

from typing import Final

ACCENTS: Final = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
    "b": "\u0331", "t": "\u0361",
}  # fmt: skip
"""Combining character of each accent."""

LETTERS: Final = {
    "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ss": "ß",
    "SS": "ẞ", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "dj": "đ", "DJ": "Đ", "th": "þ", "TH": "Þ",
    "ng": "ŋ", "NG": "Ŋ", "textquoteleft": "‘", "textquoteright": "’", "textquotedblleft": "“",
    "textquotedblright": "”", "textquotesingle": "'",
}  # fmt: skip
"""Letter or quotation mark of each command; TeX drops the spaces behind it."""

SIGNS: Final = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "vartheta": "ϑ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π",
    "rho": "ρ", "varrho": "ϱ", "sigma": "σ", "varsigma": "ς", "tau": "τ", "upsilon": "υ", "phi": "φ", "varphi": "φ",
    "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "sim": "∼", "pm": "±", "mp": "∓", "neq": "≠", "ne": "≠", "infty": "∞", "times": "×", "cdot": "·", "to": "→",
    "rightarrow": "→", "leftrightarrow": "↔", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "approx": "≈", "simeq": "≃",
    "ll": "≪", "gg": "≫", "lesssim": "≲", "gtrsim": "≳", "odot": "⊙", "ell": "ℓ", "hbar": "ℏ", "circ": "∘",
    "deg": "°", "degree": "°", "textdegree": "°", "textmu": "µ", "S": "§", "P": "¶", "dag": "†", "ddag": "‡",
    "copyright": "©", "textcopyright": "©", "textregistered": "®", "texttrademark": "™", "pounds": "£", "texteuro": "€",
    "ldots": "…", "dots": "…", "textellipsis": "…", "textendash": "–", "textemdash": "—",
    
    "guillemotleft": "«", "guillemotright": "»", "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^",
    "textunderscore": "_", "textbar": "|", "textless": "<", "textgreater": ">", "textbullet": "•", "slash": "/",
    "TeX": "TeX", "LaTeX": "LaTeX", "BibTeX": "BibTeX", "quad": " ", "qquad": " ", "enspace": " ", "thinspace": " ",
    "par": " ", "newline": " ", "noindent": "", "it": "", "em": "", "bf": "", "rm": "",
}  # fmt: skip
"""Sign of each command."""

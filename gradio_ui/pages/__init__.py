"""Plain HTML pages beside the search page, and how another one is added.

A page is a handler and a line in `ROUTES` (`routes.py`):

1. Write `pages/NAME.py` with `async def show(request, site) -> Response`. `site.service` is the client of the search
   service, `site.visit(request)` says the language and makes links, and `site.page(request, title, body, scripts=…)`
   answers with the document. `body` starts with an `<h1>`. A `RequestFailed` that the handler lets through becomes a
   page with the reason.
2. Add `Route("/NAME/{id:path}", NAME.show)` to `ROUTES`; the gate passes what is listed there, and nothing else. A
   route with `body=Model` is a POST of JSON, checked for size, form and origin, and its handler gets the model third.
3. Put scripts and style sheets beside it as `pages/NAME.js` and `pages/NAME.css`; they are served by their digest, so
   name them in `scripts=("NAME.js",)` and `styles=("NAME.css",)`. Scripts within the HTML do not run here.
4. Put every text that a reader sees in `gradio_ui/words/*.toml`, those of scripts in the table `script`, where
   `akinText("key", {name: value})` finds them.
5. If readers shall find it in the masthead, add it to `NAVIGATION` in `document.py`.
"""

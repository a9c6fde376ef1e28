"""Stand in for gcloud, with a service of Cloud Run whose revisions and traffic are in a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import yaml


def main(arguments: list[str]) -> int:
    folder = Path(os.environ["FAKE"])
    with (folder / "log").open("a") as log:
        log.write("gcloud " + " ".join(arguments) + "\n")
    state_file = folder / "service.json"
    for refused in filter(None, os.environ.get("REFUSE", "").split("|")):
        if refused in " ".join(arguments):
            print(os.environ["REASON"], file=sys.stderr)
            return 1
    words = [each for each in arguments if not each.startswith("--")]
    options = dict(each[2:].split("=", 1) for each in arguments if each.startswith("--") and "=" in each)
    if words[:2] == ["auth", "print-identity-token"]:
        print("token")
    elif words[:3] == ["run", "services", "describe"]:
        if not state_file.exists():
            print(f"ERROR: (gcloud.run.services.describe) Cannot find service [{words[3]}]", file=sys.stderr)
            return 1
        print(state_file.read_text())
    elif words[:3] == ["run", "services", "replace"]:
        service = yaml.safe_load(Path(words[3]).read_text())
        (folder / "service.yaml").write_text(Path(words[3]).read_text())
        traffic = [dict(each) for each in service["spec"]["traffic"]]
        for each in traffic:
            if "tag" in each:
                each["url"] = "https://candidate.example"
        state_file.write_text(json.dumps({"status": {"url": "https://live.example", "traffic": traffic}}))
    elif words[:3] == ["run", "services", "update-traffic"]:
        state = json.loads(state_file.read_text())
        traffic = state["status"]["traffic"]
        tag, name = options.get("to-tags", "").partition("=")[0], options.get("to-revisions", "").partition("=")[0]
        for each in traffic:
            each["percent"] = 100 if (each.get("tag") == tag or each["revisionName"] == name) else 0
        state_file.write_text(json.dumps(state))
    elif words[:2] != ["builds", "submit"]:
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A child of Podium that says what it inherited: its environment as JSON, in the file ENVIRONMENT_FILE if there is one, else printed."""

import json
import os
from pathlib import Path

TEXT = json.dumps(dict(os.environ))
if name := os.environ.get("ENVIRONMENT_FILE"):
    Path(name).write_text(TEXT)
else:
    print(TEXT)

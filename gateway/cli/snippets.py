"""What a developer pastes to talk to the gateway: curl, PHP and Python, with the address and the key filled in."""

from typing import Final

_CURL: Final = """\
curl
  curl -s {url} -d key={key} -d action=services
  curl -s {url} -d key={key} -d action=add -d service=1 -d link=https://social.example/me -d quantity=100
  curl -s {url} -d key={key} -d action=status -d order=ORDER
  curl -s {url} -d key={key} -d action=refill -d order=ORDER
  curl -s {url} -d key={key} -d action=cancel -d order=ORDER
  curl -s {url} -d key={key} -d action=balance
"""
_PHP: Final = """\
PHP
  <?php
  function panel($fields) {{
      $curl = curl_init('{url}');
      curl_setopt_array($curl, [CURLOPT_POSTFIELDS => http_build_query(['key' => '{key}'] + $fields),
                                CURLOPT_RETURNTRANSFER => true]);
      return json_decode(curl_exec($curl), true);
  }}
  $order = panel(['action' => 'add', 'service' => 1, 'link' => 'https://social.example/me', 'quantity' => 50])['order'];
  print_r(panel(['action' => 'status', 'order' => $order]));
  print_r(panel(['action' => 'balance']));
"""
_PYTHON: Final = """\
Python
  import json, urllib.parse, urllib.request

  def panel(**fields):
      form = urllib.parse.urlencode({{"key": "{key}", **fields}}).encode()
      return json.load(urllib.request.urlopen("{url}", form))

  order = panel(action="add", service=1, link="https://social.example/me", quantity=100)["order"]
  print(panel(action="status", order=order))
  print(panel(action="balance"))
"""


def snippets(url: str, key: str) -> str:
    """All three, ready to be pasted."""
    return "\n".join(each.format(url=url, key=key) for each in (_CURL, _PHP, _PYTHON))

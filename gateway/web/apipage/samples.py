"""Samples: what a developer pastes to talk to the gateway, in five languages, its address and key filled in."""

from typing import Final

import msgspec

_CURL: Final = """\
curl -s {url} -d key={key} -d action=balance

curl -s {url} -d key={key} -d action=add \\
  -d service=1 -d link=https://social.example/p/1 -d quantity=100 \\
  -d idempotency_key=my-order-4711

curl -s {url} -d key={key} -d action=status -d order=ORDER
"""

_PHP: Final = """\
<?php
function panel(array $fields): array
{{
    $curl = curl_init('{url}');
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => http_build_query(['key' => '{key}'] + $fields),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
    ]);
    $body = curl_exec($curl);
    $reply = is_string($body) ? json_decode($body, true) : null;
    if (!is_array($reply)) {{
        throw new RuntimeException('no answer: ' . curl_error($curl));
    }}
    if (isset($reply['error'])) {{
        throw new RuntimeException($reply['error']);
    }}
    return $reply;
}}

print_r(panel(['action' => 'balance']));
$order = panel([
    'action' => 'add',
    'service' => 1,
    'link' => 'https://social.example/p/1',
    'quantity' => 100,
    'idempotency_key' => 'my-order-4712',
])['order'];
print_r(panel(['action' => 'status', 'order' => $order]));
"""

_PYTHON: Final = """\
import json
from urllib.parse import urlencode
from urllib.request import urlopen


def panel(**fields):
    form = urlencode({{"key": "{key}", **fields}}).encode()
    with urlopen("{url}", form, timeout=30) as answer:
        reply = json.load(answer)
    if "error" in reply:
        raise RuntimeError(reply["error"])
    return reply


print(panel(action="balance"))
order = panel(
    action="add",
    service=1,
    link="https://social.example/p/1",
    quantity=100,
    idempotency_key="my-order-4713",
)["order"]
print(panel(action="status", order=order))
"""

_NODE: Final = """\
async function panel(fields) {{
  const answer = await fetch("{url}", {{
    method: "POST",
    body: new URLSearchParams({{ key: "{key}", ...fields }}),
    signal: AbortSignal.timeout(30_000),
  }});
  const reply = await answer.json();
  if (reply.error) throw new Error(reply.error);
  return reply;
}}

console.log(await panel({{ action: "balance" }}));
const {{ order }} = await panel({{
  action: "add",
  service: 1,
  link: "https://social.example/p/1",
  quantity: 100,
  idempotency_key: "my-order-4714",
}});
console.log(await panel({{ action: "status", order }}));
"""

_GO: Final = """\
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"time"
)

var client = http.Client{{Timeout: 30 * time.Second}}

// panel asks for one action and reads the answer into reply.
func panel(fields map[string]string, reply any) error {{
	form := url.Values{{"key": {{"{key}"}}}}
	for name, value := range fields {{
		form.Set(name, value)
	}}
	answer, err := client.PostForm("{url}", form)
	if err != nil {{
		return err
	}}
	defer answer.Body.Close()
	var body json.RawMessage
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {{
		return err
	}}
	var failed struct{{ Error string }}
	if json.Unmarshal(body, &failed) == nil && failed.Error != "" {{
		return fmt.Errorf("panel: %s", failed.Error)
	}}
	return json.Unmarshal(body, reply)
}}

func main() {{
	var balance struct{{ Balance, Currency string }}
	if err := panel(map[string]string{{"action": "balance"}}, &balance); err != nil {{
		log.Fatal(err)
	}}
	fmt.Println(balance.Balance, balance.Currency)

	var placed struct{{ Order string }}
	err := panel(map[string]string{{
		"action":          "add",
		"service":         "1",
		"link":            "https://social.example/p/1",
		"quantity":        "100",
		"idempotency_key": "my-order-4715",
	}}, &placed)
	if err != nil {{
		log.Fatal(err)
	}}
	var status struct{{ Status, Remains, Charge string }}
	if err := panel(map[string]string{{"action": "status", "order": placed.Order}}, &status); err != nil {{
		log.Fatal(err)
	}}
	fmt.Println(placed.Order, status.Status, status.Charge)
}}
"""


class Sample(msgspec.Struct, frozen=True):
    """One program in one language."""

    language: str
    template: str

    def write(self, url: str, key: str) -> str:
        """The program with an address and a key, neither of which may hold a quote."""
        assert not set(url + key) & set("'\"\\\n"), f"{url!r} and {key!r} go into quotes as they are"
        return self.template.format(url=url, key=key)


SAMPLES: Final = (
    Sample("curl", _CURL),
    Sample("PHP", _PHP),
    Sample("Python", _PYTHON),
    Sample("Node", _NODE),
    Sample("Go", _GO),
)

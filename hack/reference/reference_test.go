package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestACellHoldsTextThatHasLinesAndBars(t *testing.T) {
	for text, want := range map[string]string{
		"one\ntwo":                 "one two",
		"one\n\ntwo\nthree":        "one<br>two three",
		"these:\n- a | b\n- c\n":   `these:<br>- a \| b<br>- c`,
		"these:\n\n- a\n  goes on": "these:<br>- a goes on",
		"":                         "",
	} {
		if diff := cmp.Diff(want, inCell(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

const aKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec:
  group: example.com
  names: {kind: Shop, plural: shops, shortNames: [sh]}
  scope: Namespaced
  versions:
  - name: v1
    selectableFields: [{jsonPath: .spec.name}]
    schema:
      openAPIV3Schema:
        type: object
        description: A shop.
        x-kubernetes-validations: [{rule: "true", message: it must be open}]
        properties:
          spec:
            type: object
            description: What is asked for.
            required: [name]
            properties:
              closed: {type: boolean, default: false, description: closed shuts it.}
              name: {type: string, minLength: 1, maxLength: 9, pattern: "^(a|b)$", description: name of it}
              shelves:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [row]
                maxItems: 4
                items:
                  type: object
                  required: [row]
                  properties: {row: {type: integer, minimum: 1}}
              tags: {type: object, additionalProperties: {type: string, enum: [x, "y"]}}
          status:
            type: object
            properties:
              since: {type: string, format: date-time}
              conditions:
                type: array
                description: conditions of it.
                items: {type: object, properties: {lastTransitionTime: {type: string}, type: {type: string}}}
`

func TestEachFieldOfAKindIsTold(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "shop.yaml"), []byte(aKind), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds, err := readKinds(folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := kindsPage(kinds)
	if err != nil {
		t.Fatal(err)
	}
	want := "- [Shop](#shop)\n\n## Shop\n\nA shop.\n\n" +
		"`apiVersion: example.com/v1`, in a namespace; `kubectl get shops`, or `sh` for short. `--field-selector` takes `spec.name`.\n\n" +
		"Of the whole object: it must be open.\n\n### Shop: spec\n\nWhat is asked for.\n\n" +
		"| field | type | meaning | rules |\n|---|---|---|---|\n" +
		"| **`name`** | string | name of it | 1 to 9 characters. matches `^(a\\|b)$`. |\n" +
		"| `closed` | boolean | closed shuts it. | default `false`. |\n" +
		"| `shelves` | list of object |  | at most 4 entries. no two entries with the same `row`. |\n" +
		"| **`shelves[].row`** | integer |  | at least 1. |\n" +
		"| `tags` | map of string |  | each: one of `x`, `y`. |\n" +
		"\n### Shop: status\n\n| field | type | meaning | rules |\n|---|---|---|---|\n" +
		"| `conditions` | conditions | conditions of it. |  |\n" +
		"| `since` | time |  |  |\n"
	if diff := cmp.Diff(want, strings.TrimPrefix(text, kindsIntroduction+"\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFolderWithoutKindsIsAMistake(t *testing.T) {
	if _, err := readKinds(t.TempDir()); err == nil {
		t.Error("nothing is told of it")
	}
}

const anAPI = `
openapi: 3.0.3
info: {title: Shop, version: "1", description: "Sells.\n\n## Errors\nFew."}
tags: [{name: Goods, description: What there is.}]
paths:
  /goods/{id}:
    parameters: [{name: id, in: path, required: true, description: Which., schema: {type: integer, minimum: 1}}]
    patch:
      tags: [Goods]
      summary: Change one
      requestBody: {required: true, description: What to change, content: {application/json: {schema: {$ref: '#/components/schemas/Good'}}}}
      responses:
        '200': {description: It is changed., content: {application/json: {schema: {$ref: '#/components/schemas/Good'}}}}
        '404': {description: There is none., content: {text/plain: {schema: {type: string}}}}
components:
  schemas:
    Good:
      type: object
      description: Something to buy
      required: [name]
      properties:
        colour: {type: string, enum: [red, blue], default: red}
        name: {type: string, maxLength: 3, description: What it is called.}
        parts: {type: array, items: {$ref: '#/components/schemas/Good'}}
`

func TestEachOperationIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "api.yaml")
	if err := os.WriteFile(file, []byte(anAPI), 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := readAPI(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "\nSells.\n\n### Errors\nFew.\n\n## Goods\n\nWhat there is.\n\n### PATCH /goods/{id}\n\nChange one.\n\n" +
		"| parameter | in | type | meaning | rules |\n|---|---|---|---|---|\n| **`id`** | path | integer | Which. | at least 1. |\n\n" +
		"Body: [Good](#good). What to change.\n\n" +
		"| answer | body | when |\n|---|---|---|\n| 200 | [Good](#good) | It is changed. |\n| 404 | `text/plain` | There is none. |\n" +
		"\n## Schemas\n\n### Good\n\nSomething to buy.\n\n| field | type | meaning | rules |\n|---|---|---|---|\n" +
		"| **`name`** | string | What it is called. | at most 3 characters. |\n" +
		"| `colour` | string |  | default `red`. one of `red`, `blue`. |\n" +
		"| `parts` | list of [Good](#good) |  |  |\n"
	if diff := cmp.Diff(want, strings.TrimPrefix(apiPage(api), apiIntroduction)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

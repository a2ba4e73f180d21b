package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/telcodev/esim-operator/internal/facade"
	"github.com/telcodev/esim-operator/internal/manager"
)

// schemaMark begins a comment that adds to what a value's schema can be told from the value.
const schemaMark = "@schema "

// value is one value of the chart that users may set.
type value struct {
	// path such as controllers.replicas.
	path string
	// description for people.
	description string
	// fallback is the default, as JSON.
	fallback string
	// schema is JSON Schema's.
	schema map[string]any
}

// schema is that of a group of values, or of all.
type schema map[string]any

// writeValues writes values.schema.json and the table in README.md, from values.yaml.
func writeValues() error {
	text, err := os.ReadFile(filepath.Join(chartFolder, "values.yaml"))
	if err != nil {
		return fmt.Errorf("reading the values: %w", err)
	}
	values, whole, err := readValues(text)
	if err != nil {
		return fmt.Errorf("values.yaml: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(whole); err != nil {
		return fmt.Errorf("writing the schema: %w", err)
	}
	if err := replace("values.schema.json", out.String()); err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(chartFolder, "README.md"))
	if err != nil {
		return fmt.Errorf("reading the README: %w", err)
	}
	told, err := withTable(string(readme), values)
	if err != nil {
		return fmt.Errorf("README.md: %w", err)
	}
	return replace("README.md", told)
}

// readValues are the values in their order, and the schema of all of them. A mapping without a
// comment is a group of values; whatever has a comment is a value.
func readValues(text []byte) ([]value, schema, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, nil, err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, nil, fmt.Errorf("it must be one mapping")
	}
	values, properties, err := readGroup("", document.Content[0])
	if err != nil {
		return nil, nil, err
	}
	// Helm gives every chart these two.
	properties["global"] = map[string]any{"type": "object"}
	whole := group(properties)
	whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	whole["title"] = "Values of the chart esim-operator"
	return values, whole, nil
}

func group(properties map[string]any) schema {
	return schema{"type": "object", "additionalProperties": false, "properties": properties}
}

func readGroup(path string, mapping *yaml.Node) ([]value, map[string]any, error) {
	var values []value
	properties := map[string]any{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key, content := mapping.Content[i], mapping.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		// A group's first value carries the comment that stands above it, and so may the group.
		if content.Kind == yaml.MappingNode && len(content.Content) > 0 && key.HeadComment == "" {
			within, members, err := readGroup(name, content)
			if err != nil {
				return nil, nil, err
			}
			values, properties[key.Value] = append(values, within...), group(members)
			continue
		}
		one, err := readValue(name, key.HeadComment, content)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		values, properties[key.Value] = append(values, one), one.schema
	}
	return values, properties, nil
}

func readValue(path, comment string, content *yaml.Node) (value, error) {
	one := value{path: path, schema: map[string]any{}}
	var fallback any
	if err := content.Decode(&fallback); err != nil {
		return one, err
	}
	shown, err := json.Marshal(fallback)
	if err != nil {
		return one, err
	}
	one.fallback, one.schema["type"] = string(shown), typeOf(fallback)
	var words []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		told, isSchema := strings.CutPrefix(line, schemaMark)
		if !isSchema {
			words = append(words, line)
			continue
		}
		if err := one.narrow(told); err != nil {
			return one, err
		}
	}
	one.description = strings.TrimSpace(strings.Join(words, " "))
	if one.description == "" {
		return one, fmt.Errorf("it has no comment that says what it is for")
	}
	one.schema["description"] = one.description
	return one, nil
}

// narrow adds what an @schema comment says. Beside JSON Schema's own words it knows "strings":
// a mapping of names to strings; and "config": the configuration of the role that it names.
func (v *value) narrow(told string) error {
	var more map[string]any
	if err := json.Unmarshal([]byte(told), &more); err != nil {
		return fmt.Errorf("its @schema is no JSON: %w", err)
	}
	if more["strings"] == true {
		delete(more, "strings")
		more["additionalProperties"] = map[string]any{"type": "string"}
	}
	if role, ok := more["config"].(string); ok {
		delete(more, "config")
		fields, err := configSchema(role)
		if err != nil {
			return err
		}
		maps.Copy(more, fields)
	}
	maps.Copy(v.schema, more)
	return nil
}

// configSchema is the schema of a role's configuration file, as the role reads it, but for what
// the chart decides itself.
func configSchema(role string) (schema, error) {
	var config any
	switch role {
	case "manager":
		config = manager.DefaultConfig()
	case "facade":
		config = facade.DefaultConfig()
	default:
		return nil, fmt.Errorf("its @schema has config %q; it may be manager or facade", role)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	delete(fields, "namespace")
	// A manager of some namespaces needs others beside it, and rights that the chart does not give.
	delete(fields, "namespaceSelector")
	delete(fields, "tls")
	if election, ok := fields["leaderElection"].(map[string]any); ok {
		delete(election, "leaseName")
	}
	return shapeOf(fields), nil
}

// shapeOf is the schema of what looks like an example: its names and types.
func shapeOf(example any) schema {
	fields, ok := example.(map[string]any)
	if !ok {
		return schema{"type": typeOf(example)}
	}
	properties := map[string]any{}
	for name, field := range fields {
		properties[name] = shapeOf(field)
	}
	return group(properties)
}

// typeOf is JSON Schema's name for the type of a value. What is null in an example is a list, and
// a number may have a fraction where the example has one.
func typeOf(example any) string {
	switch given := example.(type) {
	case bool:
		return "boolean"
	case string:
		return "string"
	case int:
		return "integer"
	case float64:
		if given != math.Trunc(given) {
			return "number"
		}
		return "integer"
	case map[string]any:
		return "object"
	default:
		return "array"
	}
}

const (
	tableBegin = "<!-- values: `make chart` writes this table from values.yaml -->\n"
	tableEnd   = "<!-- values: end -->\n"
)

// withTable is a README whose table is that of the values.
func withTable(readme string, values []value) (string, error) {
	before, rest, begun := strings.Cut(readme, tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		return "", fmt.Errorf("it lacks the lines %q and %q", tableBegin, tableEnd)
	}
	var table strings.Builder
	table.WriteString("| value | meaning | default |\n|---|---|---|\n")
	for _, v := range values {
		fmt.Fprintf(&table, "| `%s` | %s | `%s` |\n", v.path, strings.ReplaceAll(v.description, "|", `\|`), v.fallback)
	}
	return before + tableBegin + table.String() + tableEnd + after, nil
}

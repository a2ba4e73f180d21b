package main

import (
	"fmt"
	"regexp"
	"strings"
)

// systemNamespace is where config/ installs; the chart installs in the release's namespace.
const systemNamespace = "esim-system"

// part is a folder of config/, and the templates that are made of it.
type part struct {
	// folder of config/, which kustomize renders.
	folder string
	// file of templates/ for an object, none where empty; objects of one file stand in it in their
	// order.
	file func(kind, name string) string
	// condition under which the objects are rendered; always where empty.
	condition string
	// keeps are objects that outlive the release where crds.keep says so.
	keeps bool
}

func parts() []part {
	in := func(file string) func(string, string) string { return func(string, string) string { return file } }
	return []part{
		{
			folder:    "config/crd",
			file:      func(_, name string) string { plural, _, _ := strings.Cut(name, "."); return "crds/" + plural + ".yaml" },
			condition: ".Values.crds.enabled", keeps: true,
		},
		{folder: "config/admission", file: in("admission.yaml"), condition: ".Values.crds.enabled", keeps: true},
		{folder: "config/rbac", file: in("rbac.yaml")},
		{folder: "config/facade", file: in("facade/rbac.yaml"), condition: ".Values.facade.enabled"},
		{
			folder: "config/prometheus", condition: ".Values.metrics.rules.enabled",
			file: func(kind, _ string) string {
				if kind == "PrometheusRule" {
					return "metrics/rules.yaml"
				}
				return ""
			},
		},
	}
}

// write turns the rendered objects into templates.
func (p part) write(rendered string) error {
	files, order := map[string][]string{}, []string{}
	for _, object := range strings.Split(strings.TrimSpace(rendered), "\n---\n") {
		file := p.file(kindOf(object), nameOf(object))
		if file == "" {
			continue
		}
		template, err := p.template(object)
		if err != nil {
			return fmt.Errorf("%s: %w", p.folder, err)
		}
		if files[file] == nil {
			order = append(order, file)
		}
		files[file] = append(files[file], template)
	}
	for _, file := range order {
		content := strings.Join(files[file], "\n---\n") + "\n"
		if p.condition != "" {
			content = "{{- if " + p.condition + " }}\n" + content + "{{- end }}\n"
		}
		head := "{{- /* Made of " + p.folder + " by `make chart`. */ -}}\n"
		if err := replace("templates/"+file, head+content); err != nil {
			return err
		}
	}
	return nil
}

var (
	metadataBlock    = regexp.MustCompile(`(?m)^metadata:\n(?:  .*\n)+`)
	labelsLine       = regexp.MustCompile(`(?m)^  labels:\n`)
	annotationsLine  = regexp.MustCompile(`(?m)^  annotations:\n`)
	namespaceLine    = regexp.MustCompile(`(?m)^( *namespace:) ` + systemNamespace + `$`)
	theirAnnotations = map[string]string{
		"esim-operator-controllers": ".Values.controllers.serviceAccountAnnotations",
		"esim-facade":               ".Values.facade.serviceAccountAnnotations",
	}
)

// template is an object with the release's namespace, the chart's labels and, where it is kept,
// the annotation that says so.
func (p part) template(object string) (string, error) {
	object = strings.ReplaceAll(object, "{{", `{{ "{{" }}`) + "\n"
	if len(metadataBlock.FindAllString(object, -1)) != 1 {
		return "", fmt.Errorf("%s %s has no metadata that can be found", kindOf(object), nameOf(object))
	}
	object = metadataBlock.ReplaceAllStringFunc(object, func(metadata string) string {
		labels := "  labels:\n    {{- include \"esim-operator.labels\" . | nindent 4 }}\n"
		if kindOf(object) == "PrometheusRule" {
			labels += "    {{- with .Values.metrics.labels }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n"
		}
		if labelsLine.MatchString(metadata) {
			metadata = labelsLine.ReplaceAllLiteralString(metadata, labels)
		} else {
			metadata += labels
		}
		if p.keeps {
			metadata = annotate(metadata, ".Values.crds.keep", "{{- include \"esim-operator.keep\" . | nindent 4 }}")
		}
		if values := theirAnnotations[nameOf(object)]; values != "" && kindOf(object) == "ServiceAccount" {
			metadata = annotate(metadata, values, "{{- toYaml "+values+" | nindent 4 }}")
		}
		return metadata
	})
	object = namespaceLine.ReplaceAllString(object, "$1 {{ .Release.Namespace | quote }}")
	return strings.TrimSpace(strings.ReplaceAll(object, systemNamespace, "{{ .Release.Namespace }}")), nil
}

// annotate adds annotations to metadata under a condition.
func annotate(metadata, condition, annotations string) string {
	const end = "{{- end }}\n"
	if annotationsLine.MatchString(metadata) {
		return annotationsLine.ReplaceAllLiteralString(metadata,
			"  annotations:\n    {{- if "+condition+" }}\n    "+annotations+"\n    "+end)
	}
	return metadata + "  {{- if " + condition + " }}\n  annotations:\n    " + annotations + "\n  " + end
}

// kindOf is the kind of an object.
func kindOf(object string) string {
	for line := range strings.Lines(object) {
		if value, ok := strings.CutPrefix(line, "kind: "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// nameOf is the name in an object's metadata.
func nameOf(object string) string {
	for line := range strings.Lines(metadataBlock.FindString(object)) {
		if value, ok := strings.CutPrefix(line, "  name: "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

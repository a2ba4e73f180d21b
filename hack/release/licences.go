package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/licenseclassifier/v2/assets"
)

// knownLicences takes a second to load.
var knownLicences = sync.OnceValues(assets.DefaultClassifier)

// licencesOf are the licences that texts are, by SPDX's names for them and in order. It is the
// classifier of hack/tools/licences.sh, which decides which of them are allowed. Texts that go with
// a program and are no licence, such as notices, are none.
func licencesOf(title string, files []entry) ([]string, error) {
	classifier, err := knownLicences()
	if err != nil {
		return nil, fmt.Errorf("loading the texts of licences: %w", err)
	}
	var names []string
	for _, file := range files {
		for _, match := range classifier.Match(file.content).Matches {
			if match.MatchType == "License" {
				names = append(names, match.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has a licence that nobody knows, in %s", title, strings.Join(namesOf(files), ", "))
	}
	return names, nil
}

func namesOf(files []entry) []string {
	var names []string
	for _, file := range files {
		names = append(names, file.name)
	}
	return names
}

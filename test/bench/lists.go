package main

import "context"

func measureLists(context.Context, *stand) ([]figure, error) { return nil, nil }

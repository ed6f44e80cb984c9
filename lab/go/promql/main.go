// Evaluates expressions as Prometheus does, at one time and on one scrape that has not changed since: promql SCRAPE TIME
// EXPRESSION... prints for each expression one line of JSON, the samples of its result.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

type sample struct {
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "promql:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 3 {
		return errors.New("usage: promql SCRAPE TIME EXPRESSION...; TIME is a Unix time in seconds")
	}
	seconds, err := strconv.ParseInt(arguments[1], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no Unix time in seconds", arguments[1])
	}
	at := time.Unix(seconds, 0)
	page, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	all, err := parse(page, at)
	if err != nil {
		return fmt.Errorf("%s: %w", arguments[0], err)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples:    1_000_000,
		Timeout:       time.Minute,
		LookbackDelta: time.Minute,
		Parser:        parser.NewParser(parser.Options{}),
	})
	scraped := storage.QueryableFunc(func(_, _ int64) (storage.Querier, error) { return querier{all}, nil })
	for _, expression := range arguments[2:] {
		query, err := engine.NewInstantQuery(context.Background(), scraped, nil, expression, at)
		if err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
		result := query.Exec(context.Background())
		vector, err := result.Vector()
		if err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
		samples := []sample{}
		for _, it := range vector {
			samples = append(samples, sample{it.Metric.Map(), it.F})
		}
		query.Close()
		if err := json.NewEncoder(os.Stdout).Encode(samples); err != nil {
			return err
		}
	}
	return nil
}

// Each series with one sample, as if it had been scraped at that time.
func parse(page []byte, at time.Time) ([]storage.Series, error) {
	lines := textparse.NewPromParser(page, labels.NewSymbolTable(), false)
	var all []storage.Series
	for {
		entry, err := lines.Next()
		if errors.Is(err, io.EOF) {
			sort.Slice(all, func(a, b int) bool { return labels.Compare(all[a].Labels(), all[b].Labels()) < 0 })
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if entry == textparse.EntrySeries {
			var name labels.Labels
			lines.Labels(&name)
			_, _, value := lines.Series()
			chunk := chunkenc.NewXORChunk()
			samples, err := chunk.Appender()
			if err != nil {
				return nil, err
			}
			samples.Append(0, at.UnixMilli(), value)
			all = append(all, &storage.SeriesEntry{Lset: name, SampleIteratorFn: chunk.Iterator})
		}
	}
}

// What was scraped, sorted by labels.
type querier struct{ all []storage.Series }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &seriesSet{}
	for _, series := range q.all {
		if matches(series.Labels(), matchers) {
			found.rest = append(found.rest, series)
		}
	}
	return found
}

func matches(name labels.Labels, matchers []*labels.Matcher) bool {
	for _, it := range matchers {
		if !it.Matches(name.Get(it.Name)) {
			return false
		}
	}
	return true
}

// No expression asks for these.
func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (querier) Close() error { return nil }

type seriesSet struct {
	series storage.Series
	rest   []storage.Series
}

func (s *seriesSet) Next() bool {
	if len(s.rest) == 0 {
		return false
	}
	s.series, s.rest = s.rest[0], s.rest[1:]
	return true
}

func (s *seriesSet) At() storage.Series { return s.series }

func (*seriesSet) Err() error { return nil }

func (*seriesSet) Warnings() annotations.Annotations { return nil }

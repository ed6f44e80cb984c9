module lab/parent

go 1.24.0

module lab/nodes

go 1.24.0

require lab/parent v0.0.0

replace lab/parent => ../parent

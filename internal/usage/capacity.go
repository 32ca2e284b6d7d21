package usage

import "runtime"

// Capacity is what the machine of the control plane has, and what is free. A value that this
// system does not give is 0.
type Capacity struct {
	CPUs            int     `json:"cpus" doc:"processors that the server can use"`
	Load            float64 `json:"load" doc:"average load over a minute"`
	MemoryTotal     int64   `json:"memory_total_bytes" doc:"memory of the machine, in bytes"`
	MemoryAvailable int64   `json:"memory_available_bytes" doc:"memory that is free or can be freed, in bytes"`
	DiskTotal       int64   `json:"disk_total_bytes" doc:"size of the data directory's disk, in bytes"`
	DiskAvailable   int64   `json:"disk_available_bytes" doc:"free space of the data directory, in bytes"`
}

// ReadCapacity reads the machine's capacity. dir is the data directory.
func ReadCapacity(dir string) Capacity {
	c := Capacity{CPUs: runtime.NumCPU()}
	c.readMemory()
	c.readDisk(dir)
	return c
}

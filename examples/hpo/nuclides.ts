/**
 * The data set: 3,352 nuclides (every isotope of every element whose mass is known or estimated), from the npm package
 * chemical-elements, which ships the atomic masses and isotopic compositions of NIST.
 * The question: does the nuclide occur on Earth in more than traces, that is, does the table give it an abundance?
 */
import { elementsAndIsotopes } from 'chemical-elements'

export type Nuclides = {
  /** Names of the columns, in their order. */
  columnNames: string[]
  /** columns[c][i]: the value of column c for nuclide i; NaN where a neighbour needed for it has no known mass. */
  columns: number[][]
  /** 1 where the nuclide occurs in nature. */
  labels: Uint8Array
}

const megaelectronvoltPerMassUnit = 931.49410242
const hydrogenMass = 1.00782503223
const neutronMass = 1.00866491595

export const loadNuclides = (): Nuclides => {
  const nuclides = elementsAndIsotopes.flatMap(({ number: protons, isotopes }) =>
    isotopes.map(({ nominal, mass, abundance }) => ({ protons, neutrons: nominal - protons, mass, abundance })),
  )
  const bindingEnergies = new Map(nuclides.map((nuclide) => [key(nuclide.protons, nuclide.neutrons), binding(nuclide)]))
  const bindingOf = (protons: number, neutrons: number) => bindingEnergies.get(key(protons, neutrons)) ?? Number.NaN
  const features: Record<string, (protons: number, neutrons: number) => number> = {
    protons: (z) => z,
    neutrons: (_, n) => n,
    neutronExcess: (z, n) => (n - z) / (n + z),
    unpairedProtons: (z) => z % 2,
    unpairedNeutrons: (_, n) => n % 2,
    bindingPerNucleon: (z, n) => bindingOf(z, n) / (z + n),
    protonSeparation: (z, n) => bindingOf(z, n) - bindingOf(z - 1, n),
    neutronSeparation: (z, n) => bindingOf(z, n) - bindingOf(z, n - 1),
  }
  return {
    columnNames: Object.keys(features),
    columns: Object.values(features).map((feature) =>
      nuclides.map(({ protons, neutrons }) => feature(protons, neutrons)),
    ),
    labels: Uint8Array.from(nuclides, ({ abundance }) => (abundance ? 1 : 0)),
  }
}

const key = (protons: number, neutrons: number) => `${protons},${neutrons}`

/** Energy in MeV set free when the atom is put together from hydrogen atoms and neutrons. */
const binding = ({ protons, neutrons, mass }: { protons: number; neutrons: number; mass: number }): number =>
  (protons * hydrogenMass + neutrons * neutronMass - mass) * megaelectronvoltPerMassUnit

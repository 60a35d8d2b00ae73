// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBalancing} from "../src/interfaces/IBalancing.sol";
import {ISlaveAnchors} from "../src/interfaces/ISlaveAnchors.sol";
import {FrontRunner} from "./support/FrontRunner.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Nothing on the main chain belongs to whoever is first
/// @notice Three masters see every call of the fourth before it is in a block, and send the same first.
contract FrontRunningTest is MarketTest {
    FrontRunner private _runner;

    function setUp() public override {
        super.setUp();
        bytes memory arguments = abi.encode(consortium);
        ISlaveAnchors anchors = ISlaveAnchors(vm.deployCode("SlaveAnchors.sol", arguments));
        IBalancing balancing = IBalancing(vm.deployCode("Balancing.sol", arguments));
        _runner = new FrontRunner(consortium, market, anchors, balancing, PERIOD);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_runner);
    }

    function invariant_theHonestMastersMoneyIsWhatItWas() public view {
        uint256 money = uint256(market.trader(4).freeMoney) + market.trader(8).freeMoney;
        assertEq(money, 2 * uint256(DEPOSIT), "nobody moved it away");
    }

    function invariant_nobodyTradesUnderItsNames() public view {
        for (uint32 number = TRADERS + 1; number <= market.traderCount(); ++number) {
            assertEq(market.trader(number).freeMoney, 0, "a copied name brings no money");
        }
    }

    /// @dev A run in which nothing was copied would prove nothing.
    function afterInvariant() external view {
        assertTrue(_runner.copies() >= 10, "others were first");
    }
}
